-- Where a run stands has not changed, and up to when that is known. Gives 0 if the registry knows the run otherwise.
-- KEYS: run, due, plan, attempt.
-- ARGV: run id, version, stage_started, constant_until, seconds that a plan is kept, seconds that an attempt is kept.
local held = redis.call('HMGET', KEYS[1], 'version', 'stage_started', 'weight_constant_until', 'outcome')
if held[4] or held[1] ~= ARGV[2] or held[2] ~= ARGV[3] or not redis.call('ZSCORE', KEYS[2], ARGV[1]) then return 0 end
if redis.call('EXPIRE', KEYS[3], ARGV[5]) == 0 then return 0 end
redis.call('EXPIRE', KEYS[4], ARGV[6])
if tonumber(ARGV[4]) > tonumber(held[3]) then redis.call('HSET', KEYS[1], 'weight_constant_until', ARGV[4]) end
return 1
