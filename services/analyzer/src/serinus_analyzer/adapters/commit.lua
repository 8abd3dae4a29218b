-- Writes the evidence after one or more looks, publishes their verdicts and acknowledges the looks: all or nothing.
-- `through` is compared first, so a look is folded once, in order, by whichever analyzer comes first.
-- KEYS: evidence, verdicts, snapshots.
-- ARGV: through before, group, most entries, seconds that evidence is kept, number of evidence fields (names and values), these,
--       number of entries, these, then for each verdict the number of its fields and these.
local through = redis.call('HGET', KEYS[1], 'through') or '0'
if through ~= ARGV[1] then return 0 end
local at = 6
local fields = tonumber(ARGV[5])
redis.call('HSET', KEYS[1], unpack(ARGV, at, at + fields - 1))
redis.call('EXPIRE', KEYS[1], ARGV[4])
at = at + fields
local entries = tonumber(ARGV[at])
local first_entry, last_entry = at + 1, at + entries
at = last_entry + 1
while at <= #ARGV do
  local size = tonumber(ARGV[at])
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', unpack(ARGV, at + 1, at + size))
  at = at + size + 1
end
redis.call('XACK', KEYS[3], ARGV[2], unpack(ARGV, first_entry, last_entry))
return 1
