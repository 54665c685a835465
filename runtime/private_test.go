package runtime

const privateEnv = "TEAL_TEST_PRIVATE_ENGINE"

func becomeEngine() {}
