-- is_whole(x, least, most) -> whether x is a whole number within the bounds; false for nil and NaN.
local function is_whole(x, least, most)
  return x and x >= least and x <= most and x == math.floor(x)
end

-- is_duration(ms) -> whether ms is a number of milliseconds that a score can carry; false for nil and NaN.
local function is_duration(ms)
  return ms and ms >= 0 and ms < 9e15
end
