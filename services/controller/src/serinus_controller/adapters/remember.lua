-- Writes fields of a run's control. -1 if another controller leads by now, -2 if Redis lacks what ours had written.
-- KEYS: control, term, story, memory.
-- ARGV: our term, generation or '', writes that it has at least, seconds that the control is kept, chapter of the story
--       or '', seconds that the story is kept, fields.
local kept = redis.call('HMGET', KEYS[4], 'generation', 'written')
if ARGV[2] ~= '' and (kept[1] ~= ARGV[2] or tonumber(kept[2] or '0') < tonumber(ARGV[3])) then return -2 end
if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[1] then return -1 end
-- A client whose answer was lost on the way repeats its call.
local same = redis.call('HGET', KEYS[1], ARGV[7]) == ARGV[8]
redis.call('HSET', KEYS[1], unpack(ARGV, 7))
redis.call('EXPIRE', KEYS[1], ARGV[4])
if ARGV[5] ~= '' and not same and redis.call('RPUSHX', KEYS[3], ARGV[5]) > 0 then
  redis.call('EXPIRE', KEYS[3], ARGV[6])
end
return redis.call('HINCRBY', KEYS[4], 'written', 1)
