-- Writes the state of a run after one or more snapshots, publishes their verdicts and acknowledges them: all or nothing.
-- `through` is compared first, so a snapshot is judged once, in order, by whichever analyzer comes first.
-- KEYS: evidence, verdicts, snapshots.
-- ARGV: through before, group, most entries, seconds that evidence is kept, number of evidence fields (names and values), these,
--       number of entries, these, then for each verdict the number of its fields and these.
local through = redis.call('HGET', KEYS[1], 'through') or '0'
if through ~= ARGV[1] then return 0 end
local fields = tonumber(ARGV[5])
local at = 6 + fields
local first_entry, last_entry = at + 1, at + tonumber(ARGV[at])
-- A snapshot that a failover lost is taken again by its collector: what was read of it before must not count.
for i = first_entry, last_entry do
  if #redis.call('XRANGE', KEYS[3], ARGV[i], ARGV[i]) == 0 then return -1 end
end
redis.call('HSET', KEYS[1], unpack(ARGV, 6, 5 + fields))
redis.call('EXPIRE', KEYS[1], ARGV[4])
at = last_entry + 1
while at <= #ARGV do
  local size = tonumber(ARGV[at])
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', unpack(ARGV, at + 1, at + size))
  at = at + size + 1
end
redis.call('XACK', KEYS[3], ARGV[2], unpack(ARGV, first_entry, last_entry))
return 1
