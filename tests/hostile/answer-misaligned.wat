;; Answers with an address that the contract's layout does not allow.
;;
;; request: read harm
;; status: 500
;; error: pointer not aligned

(func $hostile (result i32)
  (i32.const 1025))
