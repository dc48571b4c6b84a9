-- Nothing is answered from a gate that lost its memory or was rebuilt since the caller looked.
if redis.call('GET', gate .. ':epoch') ~= epoch then return {'UNSEEDED'} end

local function key(name) return gate .. ':' .. epoch .. ':' .. name end
