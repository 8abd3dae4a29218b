-- Writes down what an entry gives to tell, forgets what it ends, and acknowledges it. What was told, or is being told,
-- is not told anew; of two that name the same cause the earlier one counts.
-- KEYS: due, causes, tries, stream, then for each cause what says that it was told.
-- ARGV: group, entry, number of ended ids, these, then for each cause its id, when it is due (ms) and itself.
local ended = tonumber(ARGV[3])
for i = 4, 3 + ended do
  if redis.call('HEXISTS', KEYS[3], ARGV[i]) == 0 then
    redis.call('ZREM', KEYS[1], ARGV[i])
    redis.call('HDEL', KEYS[2], ARGV[i])
  end
end
local at = 4 + ended
for i = 5, #KEYS do
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
return redis.call('XACK', KEYS[4], ARGV[1], ARGV[2])
