-- Flags a lease, if the request matches, so that its next renewal answers with the reason.
-- Returns {'FLAGGED'} or {'NOT_YOURS'}.
-- Needs: epoch, facts.
local gate = unpack(KEYS)
local epoch, firing, request, reason = unpack(ARGV)

local workspace, lane, score, forced, title, holder, worker = facts_of(firing)
if holder ~= request then return {'NOT_YOURS'} end
know(firing, workspace, lane, score, forced, title, holder, worker, reason)
return {'FLAGGED'}
