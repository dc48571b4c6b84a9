-- One command about many, in parts: Lua gives a call a few thousand arguments at most.
local function call_in_parts(command, name, words)
  for first = 1, #words, 2000 do call(command, name, unpack(words, first, math.min(first + 1999, #words))) end
end
