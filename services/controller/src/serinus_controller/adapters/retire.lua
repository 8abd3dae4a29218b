-- Ends a run: publishes it, closes its report with `chapter` and lets its keys expire. A run that has ended is not ended
-- again. `name` is the run's in the set of those that ended, `now` in milliseconds. After the arguments come the fields
-- of the entry.
local run_key, due_key, rollouts_key, control_key, evidence_key, story_key, ended_key, attempt_key,
  window_key = unpack(KEYS)
local run, outcome, observed, chapter, name, now, run_seconds, story_seconds, attempt_seconds,
  max_entries = unpack(ARGV, 1, 10)
if redis.call('HGET', run_key, 'outcome') then return 0 end
redis.call('ZREM', due_key, run)
redis.call('HSET', run_key, 'outcome', outcome, 'observed', observed)
redis.call('XADD', rollouts_key, 'MAXLEN', '~', max_entries, '*', unpack(ARGV, 11))
local verdict = redis.call('HGET', control_key, 'verdict')
if verdict then redis.call('RPUSHX', story_key, '{"kind":"concluded","verdict":' .. verdict .. '}') end
if redis.call('RPUSHX', story_key, chapter) > 0 then redis.call('ZADD', ended_key, now, name) end
redis.call('ZREMRANGEBYSCORE', ended_key, 0, now - 1000 * story_seconds)
for _, key in ipairs({run_key, control_key, evidence_key, window_key}) do redis.call('EXPIRE', key, run_seconds) end
redis.call('EXPIRE', story_key, story_seconds)
redis.call('EXPIRE', attempt_key, attempt_seconds)
return 1
