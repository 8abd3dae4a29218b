-- Takes up to `limit` runs that are due and hides them for `lease_ms`, in which nobody else takes them.
-- The server's clock decides: hosts that disagree on the time still agree on what is due.
-- Returns the server's time in ms, the next due time or -1, and pairs of run and due time.
local due_key = KEYS[1]
local limit, lease_ms = ARGV[1], ARGV[2]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local due = redis.call('ZRANGE', due_key, '-inf', now, 'BYSCORE', 'LIMIT', 0, limit, 'WITHSCORES')
for i = 1, #due, 2 do
  redis.call('ZADD', due_key, 'XX', now + lease_ms, due[i])
end
local next = redis.call('ZRANGE', due_key, 0, 0, 'WITHSCORES')
return {now, next[2] or '-1', due}
