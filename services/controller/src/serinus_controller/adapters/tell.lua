-- Tells a decision, keeps its topic and closes the intent it ends. What was told last is not told again: a client
-- whose answer was lost on the way repeats its call. Nothing, if another controller leads by now.
-- KEYS: control, decisions, term.
-- ARGV: our term, event id, topic, 1 if it ends the intent, seconds that the control is kept, most entries, fields of
--       the entry.
if (redis.call('GET', KEYS[3]) or '0') ~= ARGV[1] then return -1 end
if redis.call('HGET', KEYS[1], 'told') == ARGV[2] then return 0 end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[6], '*', unpack(ARGV, 7))
redis.call('HSET', KEYS[1], 'told', ARGV[2], 'topic', ARGV[3])
if ARGV[4] == '1' then redis.call('HDEL', KEYS[1], 'intent') end
redis.call('EXPIRE', KEYS[1], ARGV[5])
return 1
