-- Keeps the last attempt of a Rollout, unless somebody who saw a newer state has kept one since it was read.
-- KEYS: attempt. ARGV: what was read ('' for nothing), what to write, seconds that it is kept. Returns what is kept now.
local held = redis.call('GET', KEYS[1])
if (held or '') == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
  return ARGV[2]
end
return held or ARGV[2]
