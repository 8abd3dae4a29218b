-- Keeps the last attempt of a Rollout, unless somebody who saw a newer state has kept one since it was read.
-- `read` is '' for nothing. Returns what is kept now.
local attempt_key = unpack(KEYS)
local read, attempt, attempt_seconds = unpack(ARGV)
local held = redis.call('GET', attempt_key)
if (held or '') == read then
  redis.call('SET', attempt_key, attempt, 'EX', attempt_seconds)
  return attempt
end
return held or attempt
