-- Flags a lease, if the request matches, so that its next renewal answers with the reason.
-- Returns {'FLAGGED'} or {'NOT_YOURS'}.
-- Needs: epoch.
local gate = unpack(KEYS)
local epoch, firing, request, reason = unpack(ARGV)

if call('HGET', key('firing:', firing), 'request') ~= request then return {'NOT_YOURS'} end
call('HSET', key('firing:', firing), 'abort', reason)
return {'FLAGGED'}
