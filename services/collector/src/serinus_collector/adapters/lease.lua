-- Takes up to ARGV[1] runs that are due and hides them for ARGV[2] ms, in which nobody else takes them.
-- The server's clock decides: hosts that disagree on the time still agree on what is due.
-- KEYS: due. Returns the server's time in ms, the next due time or -1, and pairs of run and due time.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local due = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1], 'WITHSCORES')
for i = 1, #due, 2 do
  redis.call('ZADD', KEYS[1], 'XX', now + ARGV[2], due[i])
end
local next = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {now, next[2] or '-1', due}
