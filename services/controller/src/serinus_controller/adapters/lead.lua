-- Begins to lead, and says whether Redis has all that is known to have been written: `written` writes at least, under
-- the name `generation`, '' if none is known. What lacks something, or remembers nothing yet, gets a new name, unless
-- another cluster's leader has given it one already.
local term_key, memory_key = unpack(KEYS)
local generation, written, new_generation = unpack(ARGV)
local term = redis.call('INCRBY', term_key, 1)
local kept = redis.call('HMGET', memory_key, 'generation', 'written')
local known = generation ~= ''
local fewer = tonumber(kept[2] or '0') < tonumber(written)
local lost = known and (kept[1] ~= generation or fewer)
if not kept[1] or (lost and kept[1] == generation) then
  redis.call('HSET', memory_key, 'generation', new_generation)
  kept[1] = new_generation
end
return {term, lost and 1 or 0, kept[1], tonumber(kept[2] or '0')}
