-- Ends a run: publishes it, closes its story and lets its keys expire. A run that has ended is not ended again.
-- KEYS: run, due, rollouts, control, evidence, story, ended, attempt, window.
-- ARGV: run id, outcome, observed, the story's last chapter, name in `ended`, now (ms), seconds that keys are kept,
--       seconds that stories are kept, seconds that an attempt is kept, most entries, then the fields of the entry.
if redis.call('HGET', KEYS[1], 'outcome') then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HSET', KEYS[1], 'outcome', ARGV[2], 'observed', ARGV[3])
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[10], '*', unpack(ARGV, 11))
local verdict = redis.call('HGET', KEYS[4], 'verdict')
if verdict then redis.call('RPUSHX', KEYS[6], '{"kind":"concluded","verdict":' .. verdict .. '}') end
if redis.call('RPUSHX', KEYS[6], ARGV[4]) > 0 then redis.call('ZADD', KEYS[7], ARGV[6], ARGV[5]) end
redis.call('ZREMRANGEBYSCORE', KEYS[7], 0, ARGV[6] - 1000 * ARGV[8])
for _, key in ipairs({KEYS[1], KEYS[4], KEYS[5], KEYS[9]}) do redis.call('EXPIRE', key, ARGV[7]) end
redis.call('EXPIRE', KEYS[6], ARGV[8])
redis.call('EXPIRE', KEYS[8], ARGV[9])
return 1
