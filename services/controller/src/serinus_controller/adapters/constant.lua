-- Where a run stands has not changed, and up to when that is known. Gives 0 if the registry knows the run otherwise.
local run_key, due_key, plan_key, attempt_key = unpack(KEYS)
local run, version, stage_started, constant_until, plan_seconds, attempt_seconds = unpack(ARGV)
local held = redis.call('HMGET', run_key, 'version', 'stage_started', 'weight_constant_until', 'outcome')
if held[4] or held[1] ~= version or held[2] ~= stage_started or not redis.call('ZSCORE', due_key, run) then return 0 end
if redis.call('EXPIRE', plan_key, plan_seconds) == 0 then return 0 end
redis.call('EXPIRE', attempt_key, attempt_seconds)
if tonumber(constant_until) > tonumber(held[3]) then
  redis.call('HSET', run_key, 'weight_constant_until', constant_until)
end
return 1
