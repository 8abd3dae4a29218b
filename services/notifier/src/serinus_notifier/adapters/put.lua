-- Writes down what an entry gives to tell, forgets what it ends, and moves the place up to which its stream was read:
-- 0, and nothing is written, if another notifier has moved it. What was told, or is being told, is not told anew; of two
-- that name the same cause the earlier one counts.
-- KEYS: due, causes, tries, places, dead letters, then for each cause what says that it was told.
-- ARGV: stream, its place, the entry, most letters, number of the letter's fields (names and values), these, number of
--       ended ids, these, then for each cause its id, when it is due (ms) and itself.
if redis.call('HGET', KEYS[4], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[4], ARGV[1], ARGV[3])
local at = 6 + tonumber(ARGV[5])
if at > 6 then redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[4], '*', unpack(ARGV, 6, at - 1)) end
local ended = tonumber(ARGV[at])
for i = at + 1, at + ended do
  if redis.call('HEXISTS', KEYS[3], ARGV[i]) == 0 then
    redis.call('ZREM', KEYS[1], ARGV[i])
    redis.call('HDEL', KEYS[2], ARGV[i])
  end
end
at = at + 1 + ended
for i = 6, #KEYS do
  local id, due, cause = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if redis.call('EXISTS', KEYS[i]) == 0 and redis.call('HEXISTS', KEYS[3], id) == 0 then
    local known = redis.call('ZSCORE', KEYS[1], id)
    if not known or tonumber(due) < tonumber(known) then
      redis.call('HSET', KEYS[2], id, cause)
      redis.call('ZADD', KEYS[1], due, id)
    end
  end
  at = at + 3
end
return 1
