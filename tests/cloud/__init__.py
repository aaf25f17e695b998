"""The cloud on loopback: moto with a front that adds what EC2 does and moto does not."""
