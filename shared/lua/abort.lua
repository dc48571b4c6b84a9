-- Flags a lease, if the request matches, so that its next renewal answers with the reason.
-- Returns {'FLAGGED'} or {'NOT_YOURS'}.
-- Needs: epoch.
local gate = unpack(KEYS)
local epoch, firing, request, reason = unpack(ARGV)

local it = redis.call('HMGET', key('firing:' .. firing), 'state', 'request')
if it[1] ~= 'leased' or it[2] ~= request then return {'NOT_YOURS'} end
redis.call('HSET', key('firing:' .. firing), 'abort', reason)
return {'FLAGGED'}
