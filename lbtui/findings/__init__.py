"""What is wrong with a profile: the analyses' results, ranked and priced."""
