-- Tells a decision, keeps its topic and closes the intent it ends. What was told last is not told again: a client
-- whose answer was lost on the way repeats its call. -1 if another controller leads by now, -2 if Redis lacks what ours
-- had written.
-- KEYS: control, decisions, term, story, memory.
-- ARGV: our term, generation or '', writes that it has at least, event id, topic, 1 if it ends the intent, seconds that
--       the control is kept, most entries, chapter of the story, seconds that the story is kept, fields of the entry.
local kept = redis.call('HMGET', KEYS[5], 'generation', 'written')
if ARGV[2] ~= '' and (kept[1] ~= ARGV[2] or tonumber(kept[2] or '0') < tonumber(ARGV[3])) then return -2 end
if (redis.call('GET', KEYS[3]) or '0') ~= ARGV[1] then return -1 end
if redis.call('HGET', KEYS[1], 'told') == ARGV[4] then return 0 end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[8], '*', unpack(ARGV, 11))
redis.call('HSET', KEYS[1], 'told', ARGV[4], 'topic', ARGV[5])
if ARGV[6] == '1' then redis.call('HDEL', KEYS[1], 'intent') end
redis.call('EXPIRE', KEYS[1], ARGV[7])
if redis.call('RPUSHX', KEYS[4], ARGV[9]) > 0 then redis.call('EXPIRE', KEYS[4], ARGV[10]) end
return redis.call('HINCRBY', KEYS[5], 'written', 1)
