-- Writes the states of some runs, each after one or more snapshots, publishes their verdicts and acknowledges them: of each
-- run all or nothing. `through` is compared first, so a snapshot is judged once, in order, by whichever analyzer comes first.
-- KEYS: verdicts, snapshots, then the evidence of each run.
-- ARGV: group, most entries, seconds that evidence is kept, then for each run: through before, number of evidence fields
--       (names and values), these, number of entries, these, number of verdicts, for each the number of its fields, these.
-- Gives for each run 1: done, 0: another was faster, -1: an entry is not pending, or what Redis refused, as text.
local verdicts, snapshots = KEYS[1], KEYS[2]
local group, most, seconds = ARGV[1], ARGV[2], ARGV[3]
local at = 4

local function many()
  local first, last = at + 1, at + tonumber(ARGV[at])
  at = last + 1
  return first, last
end

local function commit(evidence, run)
  local through = redis.call('HGET', evidence, 'through') or '0'
  if through ~= run.through then return 0 end
  -- What a failover lost of the stream it lost of its group too. A snapshot that is gone is taken again by its collector,
  -- one whose delivery was forgotten is delivered again: what was read of it before must not count.
  for i = run.first_entry, run.last_entry do
    local pending = redis.pcall('XPENDING', snapshots, group, ARGV[i], ARGV[i], 1)
    if pending.err and not string.find(pending.err, 'NOGROUP') then error(pending.err) end
    if pending.err or #pending == 0 then return -1 end
  end
  -- First what may be refused: evidence that has moved on would keep a verdict that was not published from ever being.
  for _, verdict in ipairs(run.verdicts) do
    redis.call('XADD', verdicts, 'MAXLEN', '~', most, '*', unpack(ARGV, verdict[1], verdict[2]))
  end
  redis.call('HSET', evidence, unpack(ARGV, run.first_field, run.last_field))
  redis.call('EXPIRE', evidence, seconds)
  redis.call('XACK', snapshots, group, unpack(ARGV, run.first_entry, run.last_entry))
  return 1
end

-- What Redis says of itself is about all runs: as an error of the whole call its client knows it, and connects anew where
-- a server has become a replica.
local OF_SERVER = {BUSY = true, CLUSTERDOWN = true, LOADING = true, MASTERDOWN = true, MISCONF = true, NOPERM = true,
                   NOREPLICAS = true, OOM = true, READONLY = true}

local results = {}
for number = 3, #KEYS do
  local run = {through = ARGV[at], verdicts = {}}
  at = at + 1
  run.first_field, run.last_field = many()
  run.first_entry, run.last_entry = many()
  local count = tonumber(ARGV[at])
  at = at + 1
  for i = 1, count do run.verdicts[i] = {many()} end
  -- What one run cannot have written must not keep the others from it.
  local ok, result = pcall(commit, KEYS[number], run)
  if not ok then result = type(result) == 'table' and result.err or tostring(result) end
  local word = not ok and string.match(result, '%u%u%u+')
  if word and OF_SERVER[word] then return redis.error_reply(word .. ' ' .. result) end
  results[#results + 1] = result
end
return results
