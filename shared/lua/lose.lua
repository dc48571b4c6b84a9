-- Takes away the epoch, if it is still the gate's: whoever asks next builds it again from the rows. Returns {'OK'}.
local gate = unpack(KEYS)
local epoch = unpack(ARGV)

if redis.call('GET', gate .. ':epoch') == epoch then redis.call('DEL', gate .. ':epoch') end
return {'OK'}
