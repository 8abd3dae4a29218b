-- Tells a decision, keeps its topic and closes the intent it ends. What was told last is not told again: a client
-- whose answer was lost on the way repeats its call.
-- KEYS: control, decisions.
-- ARGV: event id, topic, 1 if it ends the intent, seconds that the control is kept, most entries, fields of the entry.
if redis.call('HGET', KEYS[1], 'told') == ARGV[1] then return 0 end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], '*', unpack(ARGV, 6))
redis.call('HSET', KEYS[1], 'told', ARGV[1], 'topic', ARGV[2])
if ARGV[3] == '1' then redis.call('HDEL', KEYS[1], 'intent') end
redis.call('EXPIRE', KEYS[1], ARGV[4])
return 1
