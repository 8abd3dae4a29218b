-- Moves an entry to the dead letters and acknowledges it: both, or neither if somebody has finished it before.
-- After the named arguments come the fields of the letter.
local stream, dead_letters = KEYS[1], KEYS[2]
local group, id, max_letters = ARGV[1], ARGV[2], ARGV[3]
if #redis.call('XPENDING', stream, group, id, id, 1) == 0 then return 0 end
redis.call('XADD', dead_letters, 'MAXLEN', '~', max_letters, '*', unpack(ARGV, 4))
redis.call('XACK', stream, group, id)
return 1
