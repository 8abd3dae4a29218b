-- Makes known where a run stands. Whoever read an older state of the cluster changes nothing.
-- KEYS: run, due, rollouts, plan, story, attempt.
-- ARGV: run id, version, observed, stage_started, constant_until or '', milliseconds until it is due, plan or '',
--       most entries, seconds that a plan is kept, its digest, the story's chapters on the plan and the stage or '',
--       seconds that a story is kept, seconds that an attempt is kept, namespace, then the fields of the entry, none if
--       nothing is published.
local held = redis.call('HMGET', KEYS[1], 'version', 'stage_started', 'weight_constant_until', 'outcome', 'observed',
                        'plan', 'staged', 'told')
if held[4] or (held[1] and tonumber(held[1]) > tonumber(ARGV[2])) then return 0 end
redis.call('SET', KEYS[4], ARGV[7], 'EX', ARGV[9])
redis.call('EXPIRE', KEYS[6], ARGV[14])
-- Nothing is known of the weight of a stage before it began.
local constant = ARGV[4]
if held[2] == ARGV[4] and tonumber(held[3]) > tonumber(constant) then constant = held[3] end
if ARGV[5] ~= '' and tonumber(ARGV[5]) > tonumber(constant) then constant = ARGV[5] end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'observed', ARGV[3], 'stage_started', ARGV[4],
           'weight_constant_until', constant, 'plan', ARGV[10], 'namespace', ARGV[15])
local clock = redis.call('TIME')
local due = clock[1] * 1000 + math.floor(clock[2] / 1000) + ARGV[6]
redis.call('ZADD', KEYS[2], 'NX', string.format('%.0f', due), ARGV[1])
-- A client whose answer was lost on the way repeats its call. In a Redis that forgot, what is there may be untold.
local told = held[8] == ARGV[2] and held[5] == ARGV[3]
if #ARGV > 15 and not told then
  redis.call('HSET', KEYS[1], 'told', ARGV[2])
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[8], '*', unpack(ARGV, 16))
  if not held[8] or held[6] ~= ARGV[10] then redis.call('RPUSH', KEYS[5], ARGV[11]) end
  if ARGV[12] ~= '' and held[7] ~= ARGV[12] then
    redis.call('RPUSH', KEYS[5], ARGV[12])
    redis.call('HSET', KEYS[1], 'staged', ARGV[12])
  end
  redis.call('EXPIRE', KEYS[5], ARGV[13])
end
return 1
