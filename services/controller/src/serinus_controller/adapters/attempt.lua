-- Keeps the last attempt of a Rollout, unless somebody who saw a newer state has kept one since it was read.
-- KEYS: attempts. ARGV: field, what was read ('' for nothing), what to write. Returns what is kept now.
local held = redis.call('HGET', KEYS[1], ARGV[1])
if (held or '') == ARGV[2] then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
  return ARGV[3]
end
return held or ARGV[3]
