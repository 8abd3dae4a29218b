-- Ends a run: publishes how, takes it out of the queue and lets its keys expire. A run ends once.
-- KEYS: run, due, rollouts, evidence, control.
-- ARGV: run id, outcome, observed, seconds that the keys are kept, most entries, fields of the entry.
if redis.call('HEXISTS', KEYS[1], 'outcome') == 1 then return 0 end
redis.call('HSET', KEYS[1], 'outcome', ARGV[2], 'observed', ARGV[3])
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[5], '*', unpack(ARGV, 6))
redis.call('ZREM', KEYS[2], ARGV[1])
for _, key in ipairs({KEYS[1], KEYS[4], KEYS[5]}) do redis.call('EXPIRE', key, ARGV[4]) end
return 1
