-- Ends what was to be told. With the fourth key it was told, and is not told again while that key is kept.
-- KEYS: due, causes, tries, what says that it was told.  ARGV: id, seconds that this is kept.
if KEYS[4] then redis.call('SET', KEYS[4], '1', 'EX', ARGV[2]) end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
return 1
