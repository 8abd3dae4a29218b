-- Makes known where a run stands. Whoever read an older state of the cluster changes nothing.
-- `constant_until`, `planned` and `staged` (chapters of the report) may be ''; `due_in` is in milliseconds. After the
-- arguments come the fields of the entry, none if nothing is published.
local run_key, due_key, rollouts_key, plan_key, story_key, attempt_key = unpack(KEYS)
local run, version, observed, stage_started, constant_until, due_in, plan, max_entries, plan_seconds, digest, planned,
  staged, story_seconds, attempt_seconds, namespace = unpack(ARGV, 1, 15)
local held = redis.call('HMGET', run_key, 'version', 'stage_started', 'weight_constant_until', 'outcome', 'observed',
                        'plan', 'staged', 'published')
if held[4] or (held[1] and tonumber(held[1]) > tonumber(version)) then return 0 end
redis.call('SET', plan_key, plan, 'EX', plan_seconds)
redis.call('EXPIRE', attempt_key, attempt_seconds)
-- Nothing is known of the weight of a stage before it began.
local constant = stage_started
if held[2] == stage_started and tonumber(held[3]) > tonumber(constant) then constant = held[3] end
if constant_until ~= '' and tonumber(constant_until) > tonumber(constant) then constant = constant_until end
redis.call('HSET', run_key, 'version', version, 'observed', observed, 'stage_started', stage_started,
           'weight_constant_until', constant, 'plan', digest, 'namespace', namespace)
local clock = redis.call('TIME')
local due = clock[1] * 1000 + math.floor(clock[2] / 1000) + due_in
redis.call('ZADD', due_key, 'NX', string.format('%.0f', due), run)
-- A client whose answer was lost on the way repeats its call. In a Redis that forgot, what is there may be unpublished.
local published = held[8] == version and held[5] == observed
if #ARGV > 15 and not published then
  redis.call('HSET', run_key, 'published', version)
  redis.call('XADD', rollouts_key, 'MAXLEN', '~', max_entries, '*', unpack(ARGV, 16))
  if not held[8] or held[6] ~= digest then redis.call('RPUSH', story_key, planned) end
  if staged ~= '' and held[7] ~= staged then
    redis.call('RPUSH', story_key, staged)
    redis.call('HSET', run_key, 'staged', staged)
  end
  redis.call('EXPIRE', story_key, story_seconds)
end
return 1
