-- Writes fields of a run's control. Nothing, if another controller leads by now.
-- KEYS: control, term, story.
-- ARGV: our term, seconds that the control is kept, chapter of the story or '', seconds that the story is kept, fields.
if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[1] then return -1 end
-- A client whose answer was lost on the way repeats its call.
local same = redis.call('HGET', KEYS[1], ARGV[5]) == ARGV[6]
redis.call('HSET', KEYS[1], unpack(ARGV, 5))
redis.call('EXPIRE', KEYS[1], ARGV[2])
if ARGV[3] ~= '' and not same and redis.call('RPUSHX', KEYS[3], ARGV[3]) > 0 then
  redis.call('EXPIRE', KEYS[3], ARGV[4])
end
return 1
