-- Writes fields of a run's control. Nothing, if another controller leads by now.
-- KEYS: control, term. ARGV: our term, seconds that the control is kept, fields.
if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[1] then return -1 end
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
