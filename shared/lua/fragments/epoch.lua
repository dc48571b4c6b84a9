-- Nothing is answered from a gate that lost its memory or was rebuilt since the caller looked.
local call = redis.call
if call('GET', gate .. ':epoch') ~= epoch then return {'UNSEEDED'} end

-- A key of this epoch; a name may be given in two parts, for Lua joins three strings as fast as two.
local root = gate .. ':' .. epoch .. ':'
local function key(kind, name) return name and root .. kind .. name or root .. kind end
