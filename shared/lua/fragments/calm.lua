-- Of a call that frees no slot of a lane.
local calm = call('EXISTS', key('blocked'), key('forced'), key('resting')) == 0
