-- Writes fields of a run's control. -1 if another controller leads by now, -2 if Redis lacks what ours had written:
-- `written` writes at least under the name `generation`, '' if none is known. `chapter` of the report may be ''.
-- After the arguments come the fields.
local control_key, term_key, story_key, memory_key = unpack(KEYS)
local term, generation, written, control_seconds, chapter, story_seconds = unpack(ARGV, 1, 6)
local kept = redis.call('HMGET', memory_key, 'generation', 'written')
if generation ~= '' and (kept[1] ~= generation or tonumber(kept[2] or '0') < tonumber(written)) then return -2 end
if (redis.call('GET', term_key) or '0') ~= term then return -1 end
-- A client whose answer was lost on the way repeats its call.
local same = redis.call('HGET', control_key, ARGV[7]) == ARGV[8]
redis.call('HSET', control_key, unpack(ARGV, 7))
redis.call('EXPIRE', control_key, control_seconds)
if chapter ~= '' and not same and redis.call('RPUSHX', story_key, chapter) > 0 then
  redis.call('EXPIRE', story_key, story_seconds)
end
return redis.call('HINCRBY', memory_key, 'written', 1)
