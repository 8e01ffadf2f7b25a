"""Stage `billing`: is the request confirmed by its distributor, or paid by its partner? (L15, L17)"""
