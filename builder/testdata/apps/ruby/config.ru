require "./app"

run Greeter
