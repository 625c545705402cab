module token-auth

go 1.24

require socklet v0.0.0

replace socklet => ./.socklet/sdk
