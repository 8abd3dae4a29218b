-- Cuts what is older than ARGV[1] (ms; 0: nothing) from the streams, but nothing that a group has yet to finish, or that
-- the notifier, which has no group, has yet to read: of what is older than ARGV[2] (ms), nothing that the group ARGV[3]
-- has yet to finish. What a controller reads is to be finished also before the first one has made its group.
-- KEYS: streams. ARGV: from the 4th on, for each stream the entry up to which the notifier has read it, or ''; then for
-- all in one text, for each '1' if controllers read it, else '0'.
-- Gives the memory used and its limit (bytes, -1: may not be asked), the time and that of the oldest entry (ms), and how
-- many entries were cut.
local function parts(id)
  local milliseconds, number = string.match(id, '(%d+)-(%d+)')
  return tonumber(milliseconds), tonumber(number)
end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local oldest, removed = now, 0
for i, key in ipairs(KEYS) do
  local first = redis.call('XRANGE', key, '-', '+', 'COUNT', 1)[1]
  if first then
    oldest = math.min(oldest, (parts(first[1])))
    local cut, number = tonumber(ARGV[1]), 0
    local function wait(reader, at, nth)
      if reader ~= ARGV[3] and at < tonumber(ARGV[2]) then at, nth = tonumber(ARGV[2]), 0 end
      if at < cut or (at == cut and nth < number) then cut, number = at, nth end
    end
    if ARGV[3 + i] ~= '' then
      local at, nth = parts(ARGV[3 + i])
      wait('', at, nth + 1)
    end
    local groups = redis.call('XINFO', 'GROUPS', key)
    if #groups == 0 and string.sub(ARGV[#KEYS + 4], i, i) == '1' then wait('', 0, 0) end
    for _, group in ipairs(groups) do
      local info = {}
      for j = 1, #group, 2 do info[group[j]] = group[j + 1] end
      local at, nth = parts(info['last-delivered-id'])
      nth = nth + 1
      local pending = redis.call('XPENDING', key, info['name'])[2]
      if pending then at, nth = parts(pending) end
      wait(info['name'], at, nth)
    end
    if cut > 0 then removed = removed + redis.call('XTRIM', key, 'MINID', string.format('%.0f-%.0f', cut, number)) end
  end
end
local info = tostring(redis.pcall('INFO', 'memory'))
return {tonumber(string.match(info, 'used_memory:(%d+)') or -1), tonumber(string.match(info, 'maxmemory:(%d+)') or -1),
        now, oldest, removed}
