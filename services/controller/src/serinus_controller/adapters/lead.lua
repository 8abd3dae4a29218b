-- Begins to lead, and says whether Redis has all that is known to have been written. What lacks something, or remembers
-- nothing yet, gets a new name, unless another cluster's leader has given it one already.
-- KEYS: term, memory. ARGV: generation that is known or '', writes that it has at least, a new generation.
local term = redis.call('INCRBY', KEYS[1], 1)
local kept = redis.call('HMGET', KEYS[2], 'generation', 'written')
local known = ARGV[1] ~= ''
local fewer = tonumber(kept[2] or '0') < tonumber(ARGV[2])
local lost = known and (kept[1] ~= ARGV[1] or fewer)
if not kept[1] or (lost and kept[1] == ARGV[1]) then
  redis.call('HSET', KEYS[2], 'generation', ARGV[3])
  kept[1] = ARGV[3]
end
return {term, lost and 1 or 0, kept[1], tonumber(kept[2] or '0')}
