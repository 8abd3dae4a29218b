-- Moves an entry to the dead letters and acknowledges it: both, or neither if somebody has finished it before.
-- KEYS: stream, dead letters. ARGV: group, id, most entries, fields of the letter.
if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1) == 0 then return 0 end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', unpack(ARGV, 4))
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
return 1
