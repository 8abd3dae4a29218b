-- Publishes one snapshot, moves its windows and sets the next due time: all of it or nothing.
-- After the named arguments come the fields of the window, `fields` of them, then those of the entry.
local run_key, due_key, snapshots, window_key, pace = unpack(KEYS)
local run, follows, stage_started = ARGV[1], ARGV[2], ARGV[3]
local known_until, next_due, max_entries = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local reader, namespace = ARGV[7], ARGV[8]
-- What this snapshot stands for in its namespace's share of the time.
local cost_ms, fields = tonumber(ARGV[9]), tonumber(ARGV[10])

local held = redis.call('HMGET', run_key, 'stage_started', 'weight_constant_until', 'outcome')
if not held[1] or held[3] then return 'gone' end
if (redis.call('HGET', window_key, 'follows') or '0') ~= follows then return 'moved' end
if held[1] ~= stage_started or tonumber(held[2]) < known_until then return 'weight' end

-- Trimming must never eat what is not judged yet: the oldest entry the group still needs has to be younger
-- than what would be cut off. Checked every thousandth entry beyond the limit, since checking is not free.
local surplus = redis.call('XLEN', snapshots) - max_entries
if surplus >= 1000 then
  local cut = redis.call('XRANGE', snapshots, '-', '+', 'COUNT', surplus)
  local last_cut = cut[#cut][1]
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', snapshots)) do
    local info = {}
    for i = 1, #group, 2 do info[group[i]] = group[i + 1] end
    if info['name'] == reader then
      local pending = redis.call('XPENDING', snapshots, reader)
      local judged = pending[2] or info['last-delivered-id']
      local function parts(id) local a, b = string.match(id, '(%d+)-(%d+)'); return tonumber(a), tonumber(b) end
      local a, b = parts(judged)
      local c, d = parts(last_cut)
      if a < c or (a == c and (b < d or (pending[2] and b == d))) then return 'full' end
    end
  end
  redis.call('XTRIM', snapshots, 'MAXLEN', '~', max_entries)
end

-- First what takes room: a Redis that is full refuses it, unless something else was written before.
redis.call('XADD', snapshots, '*', unpack(ARGV, 11 + fields))
redis.call('HSET', window_key, unpack(ARGV, 11, 10 + fields))

-- The snapshots of a namespace are as far apart as its share of the time allows, unless nobody else has had any lately.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREMRANGEBYSCORE', pace, '-inf', now - 60000)
local free = math.max(now, tonumber(redis.call('ZSCORE', pace, namespace) or '0'))
redis.call('ZADD', pace, now, namespace)
local due = next_due
if redis.call('ZCARD', pace) > 1 then
  free = math.min(free + cost_ms, now + 600000)
  redis.call('ZADD', pace, string.format('%.0f', free), namespace)
  due = math.max(due, free)
end
redis.call('ZADD', due_key, 'XX', string.format('%.0f', due), run)
return 'done'
