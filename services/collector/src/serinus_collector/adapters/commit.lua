-- Publishes one look, moves its windows and sets the next due time: all of it or nothing.
-- KEYS: run, due, snapshots, window, pace.
-- ARGV: run id, follows, stage_started, least weight_constant_until, next due, most entries, reader's group,
--       namespace, milliseconds that this look stands for in its namespace's share, number of fields of the window, these
--       fields, then the fields of the entry.
local held = redis.call('HMGET', KEYS[1], 'stage_started', 'weight_constant_until', 'outcome')
if not held[1] or held[3] then return 'gone' end
if (redis.call('HGET', KEYS[4], 'follows') or '0') ~= ARGV[2] then return 'moved' end
if held[1] ~= ARGV[3] or tonumber(held[2]) < tonumber(ARGV[4]) then return 'weight' end

-- Trimming must never eat what is not judged yet: the oldest entry the group still needs has to be younger
-- than what would be cut off. Checked every thousandth entry beyond the limit, since looking is not free.
local surplus = redis.call('XLEN', KEYS[3]) - tonumber(ARGV[6])
if surplus >= 1000 then
  local cut = redis.call('XRANGE', KEYS[3], '-', '+', 'COUNT', surplus)
  local last_cut = cut[#cut][1]
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[3])) do
    local info = {}
    for i = 1, #group, 2 do info[group[i]] = group[i + 1] end
    if info['name'] == ARGV[7] then
      local pending = redis.call('XPENDING', KEYS[3], ARGV[7])
      local judged = pending[2] or info['last-delivered-id']
      local function parts(id) local a, b = string.match(id, '(%d+)-(%d+)'); return tonumber(a), tonumber(b) end
      local a, b = parts(judged)
      local c, d = parts(last_cut)
      if a < c or (a == c and (b < d or (pending[2] and b == d))) then return 'full' end
    end
  end
  redis.call('XTRIM', KEYS[3], 'MAXLEN', '~', ARGV[6])
end

-- First what takes room: a Redis that is full refuses it, unless something else was written before.
local count = tonumber(ARGV[10])
redis.call('XADD', KEYS[3], '*', unpack(ARGV, 11 + count))
redis.call('HSET', KEYS[4], unpack(ARGV, 11, 10 + count))

-- The looks of a namespace are as far apart as its share of the time allows, unless nobody else has had any lately.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', now - 60000)
local free = math.max(now, tonumber(redis.call('ZSCORE', KEYS[5], ARGV[8]) or '0'))
redis.call('ZADD', KEYS[5], now, ARGV[8])
local due = tonumber(ARGV[5])
if redis.call('ZCARD', KEYS[5]) > 1 then
  free = math.min(free + ARGV[9], now + 600000)
  redis.call('ZADD', KEYS[5], string.format('%.0f', free), ARGV[8])
  due = math.max(due, free)
end
redis.call('ZADD', KEYS[2], 'XX', string.format('%.0f', due), ARGV[1])
return 'done'
