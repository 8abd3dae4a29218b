-- Publishes a decision, keeps its dedupe key and closes the intent it ends ('1'). What was published last is not
-- published again: a client whose answer was lost on the way repeats its call. -1 if another controller leads by now, -2
-- if Redis lacks what ours had written: `written` writes at least under the name `generation`, '' if none is known.
-- After the arguments come the fields of the entry.
local control_key, decisions_key, term_key, story_key, memory_key = unpack(KEYS)
local term, generation, written, event, dedupe_key, ends_intent, control_seconds, max_entries, chapter,
  story_seconds = unpack(ARGV, 1, 10)
local kept = redis.call('HMGET', memory_key, 'generation', 'written')
if generation ~= '' and (kept[1] ~= generation or tonumber(kept[2] or '0') < tonumber(written)) then return -2 end
if (redis.call('GET', term_key) or '0') ~= term then return -1 end
if redis.call('HGET', control_key, 'last_published') == event then return 0 end
redis.call('XADD', decisions_key, 'MAXLEN', '~', max_entries, '*', unpack(ARGV, 11))
redis.call('HSET', control_key, 'last_published', event, 'dedupe_key', dedupe_key)
if ends_intent == '1' then redis.call('HDEL', control_key, 'intent') end
redis.call('EXPIRE', control_key, control_seconds)
if redis.call('RPUSHX', story_key, chapter) > 0 then redis.call('EXPIRE', story_key, story_seconds) end
return redis.call('HINCRBY', memory_key, 'written', 1)
