-- Tells a decision, keeps its topic and closes the intent it ends. What was told last is not told again: a client
-- whose answer was lost on the way repeats its call. Nothing, if another controller leads by now.
-- KEYS: control, decisions, term, story.
-- ARGV: our term, event id, topic, 1 if it ends the intent, seconds that the control is kept, most entries, chapter
--       of the story, seconds that the story is kept, fields of the entry.
if (redis.call('GET', KEYS[3]) or '0') ~= ARGV[1] then return -1 end
if redis.call('HGET', KEYS[1], 'told') == ARGV[2] then return 0 end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[6], '*', unpack(ARGV, 9))
redis.call('HSET', KEYS[1], 'told', ARGV[2], 'topic', ARGV[3])
if ARGV[4] == '1' then redis.call('HDEL', KEYS[1], 'intent') end
redis.call('EXPIRE', KEYS[1], ARGV[5])
if redis.call('RPUSHX', KEYS[4], ARGV[7]) > 0 then redis.call('EXPIRE', KEYS[4], ARGV[8]) end
return 1
