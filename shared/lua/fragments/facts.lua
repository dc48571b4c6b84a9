-- All that the gate knows of a firing is one value of one hash: workspace, lane, score, forced, title; of a lease
-- also request, worker, and abort where it is flagged. Answers nothing of one that it does not know.
local function facts_of(firing)
  local it = call('HGET', key('firings'), firing)
  if it then return cmsgpack.unpack(it) end
end

local function know(firing, ...)
  call('HSET', key('firings'), firing, cmsgpack.pack(...))
end
