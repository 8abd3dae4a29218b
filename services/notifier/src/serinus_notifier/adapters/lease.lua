-- Gives what is due, and keeps it from others until the lease ends; then somebody tells it again.
-- KEYS: due, causes, tries.  ARGV: most, milliseconds of the lease.
-- Answers: now, when the next is due (-1: none), then of each its id, when it was due, its cause and its tries.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answer = {string.format('%d', now), '-1'}
local found = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1], 'WITHSCORES')
for i = 1, #found, 2 do
  local id, cause = found[i], redis.call('HGET', KEYS[2], found[i])
  if cause then
    redis.call('ZADD', KEYS[1], now + ARGV[2], id)
    local tries = redis.call('HINCRBY', KEYS[3], id, 1)
    for _, part in ipairs({id, found[i + 1], cause, tostring(tries)}) do table.insert(answer, part) end
  else
    redis.call('ZREM', KEYS[1], id)
  end
end
local following = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if following[2] then answer[2] = following[2] end
return answer
