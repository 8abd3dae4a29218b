"""`serinus doctor` and `serinus init`: is everything there that a judgement needs, and how is what lacks mended?"""
